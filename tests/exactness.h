/* How far a function of f32 may be from the right result: Vulkan 1.3, "Precision of
 * Individual Operations"; of functions that it derives from others, what follows.
 *
 * A row has a call in the language of texts, of a and b; where a and b are from; and what
 * may be between a result and the right one: `ulp` + `per_a` |a| + `per_b` |b| units of the
 * last place, or `absolute`. */
#ifndef EXACTNESS_H
#define EXACTNESS_H

#include <math.h>
#include <stddef.h>

#define REF(name, value)                                                                           \
    static double ref_##name(double a, double b)                                                   \
    {                                                                                              \
        (void)b;                                                                                   \
        return value;                                                                              \
    }
REF(sqrt, sqrt(a)) REF(inversesqrt, 1 / sqrt(a)) REF(exp, exp(a)) REF(exp2, exp2(a))
REF(log, log(a)) REF(log2, log2(a)) REF(sin, sin(a)) REF(cos, cos(a)) REF(tan, tan(a))
REF(asin, asin(a)) REF(acos, acos(a)) REF(atan, atan(a)) REF(atan2, atan2(a, b))
REF(sinh, sinh(a)) REF(cosh, cosh(a)) REF(tanh, tanh(a)) REF(pow, pow(a, b))
REF(radians, a * (3.14159265358979323846 / 180)) REF(degrees, a * (180 / 3.14159265358979323846))
REF(mix, a * 0.75 + b * 0.25) REF(quotient, a / b)
REF(smoothstep, a <= 0.25 ? 0 : a >= 2 ? 1
    : (a - 0.25) / 1.75 * ((a - 0.25) / 1.75) * (3 - 2 * ((a - 0.25) / 1.75)))

static const struct exactness {
    const char *call; /* of a and b */
    double      low, high, ulp, per_a, per_b, absolute;
    double    (*right)(double a, double b);
} exactness[] = {
    { "sqrt(a)", 0.001, 1e6, 4.5, 0, 0, 0, ref_sqrt },
    { "inversesqrt(a)", 0.001, 1e6, 2, 0, 0, 0, ref_inversesqrt },
    { "exp(a)", -40, 40, 3, 2, 0, 0, ref_exp },
    { "exp2(a)", -40, 40, 3, 2, 0, 0, ref_exp2 },
    { "log(a)", 0.001, 1e6, 3, 0, 0, 4.8e-7, ref_log },
    { "log2(a)", 0.001, 1e6, 3, 0, 0, 4.8e-7, ref_log2 },
    { "sin(a)", -3.14, 3.14, 0, 0, 0, 4.9e-4, ref_sin },
    { "cos(a)", -3.14, 3.14, 0, 0, 0, 4.9e-4, ref_cos },
    { "tan(a)", -1.2, 1.2, 0, 0, 0, 8e-3, ref_tan },
    { "asin(a)", -0.95, 0.95, 4096, 0, 0, 0, ref_asin },
    { "acos(a)", -0.95, 0.95, 4096, 0, 0, 0, ref_acos },
    { "atan(a)", -50, 50, 4096, 0, 0, 0, ref_atan },
    { "atan(a, b)", -50, 50, 4096, 0, 0, 0, ref_atan2 },
    { "sinh(a)", -10, 10, 5, 4, 0, 1e-6, ref_sinh },
    { "cosh(a)", -10, 10, 5, 4, 0, 0, ref_cosh },
    { "tanh(a)", -10, 10, 16, 8, 0, 1e-6, ref_tanh },
    { "pow(a, b)", 0.25, 8, 3, 0, 32, 0, ref_pow },
    { "radians(a)", -1000, 1000, 2, 0, 0, 0, ref_radians },
    { "degrees(a)", -1000, 1000, 2, 0, 0, 0, ref_degrees },
    { "mix(a, b, 0.25)", -50, 50, 2, 0, 0, 1e-5, ref_mix },
    { "(a / b)", -50, 50, 2.5, 0, 0, 0, ref_quotient },
    { "smoothstep(0.25, 2.0, a)", -1, 4, 8, 0, 0, 1e-6, ref_smoothstep }
};

static double exactness_allows(const struct exactness *row, double a, double b, double right)
{
    int exponent;
    frexp(right, &exponent);
    const double units = row->ulp + row->per_a * fabs(a) + row->per_b * fabs(b);
    const double relative = units * ldexp(1, exponent - 24);
    return relative > row->absolute ? relative : row->absolute;
}

#endif
