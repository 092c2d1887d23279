# What single tests need beyond the rules of the Makefile.
WHITEBOX += test_check
