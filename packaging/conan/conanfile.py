# conan create packaging/conan        (Conan 2)
import os
import re

from conan import ConanFile
from conan.tools.files import copy, load


class Vyre(ConanFile):
    name = "vyre"
    description = "A GPU work queue that is already running, in one C header"
    license = "MIT"
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    no_copy_source = True

    @property
    def _tree(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        header = load(self, os.path.join(self._tree, "vyre.h"))
        self.version = re.search(r'VYRE_VERSION_STRING "(.*)"', header).group(1)

    def export_sources(self):
        for name in ("vyre.h", "LICENSE"):
            copy(self, name, self._tree, self.export_sources_folder)

    def package(self):
        copy(self, "vyre.h", self.source_folder, os.path.join(self.package_folder, "include"))
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))

    def package_id(self):
        self.info.clear()

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.set_property("cmake_file_name", "vyre")
        self.cpp_info.set_property("cmake_target_name", "vyre::vyre")
        self.cpp_info.set_property("pkg_config_name", "vyre")
        if self.settings.os in ("Linux", "FreeBSD"):
            self.cpp_info.system_libs = ["m", "pthread", "dl"]
