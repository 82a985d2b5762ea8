"""pip's way in: drives CMakeLists.txt, as colcon does, and packs what it installs into a wheel.

CMake installs into a staging folder. Its Python packages (the generated interfaces) join the
modules of this package; libraries, headers, `share` and the executables in `lib/anyview_ros`
become data files, which pip lays out below the environment's prefix, as ament expects them.

In an editable install (what `./anyview` does) the modules stay in the source folder, and only
what is generated goes into the environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

from setuptools import Command, Distribution, find_packages, setup
from setuptools.command.build import build

SOURCE = Path(__file__).resolve().parent
# One for each Python and environment, which are those of ROS distributions.
BUILD = SOURCE / "build" / sys.implementation.cache_tag / Path(sys.prefix).name
STAGE = BUILD / "stage"
SITE_PACKAGES = Path(sysconfig.get_path("platlib")).relative_to(sysconfig.get_path("data"))


class PlatformDistribution(Distribution):
    """Makes a wheel for this Python and platform; what is in it is known only after CMake ran."""

    def has_ext_modules(self) -> bool:
        return True

    def has_data_files(self) -> bool:
        return True

    has_data = has_data_files  # the name that setuptools' editable_wheel asks for


class BuildInterfaces(Command):
    """Run CMake into the staging folder; add the generated Python packages to the build."""

    description = "generate the ROS interfaces with CMakeLists.txt"
    user_options: ClassVar[list[tuple[str, str, str]]] = []
    editable_mode = False

    def initialize_options(self) -> None:
        self.build_lib: str | None = None  # taken from `build` by finalize_options

    def finalize_options(self) -> None:
        self.set_undefined_options("build", ("build_lib", "build_lib"))

    def run(self) -> None:
        stage(ros_prefix())
        if not self.editable_mode:
            assert self.build_lib is not None
            shutil.copytree(STAGE / SITE_PACKAGES, self.build_lib, dirs_exist_ok=True)

    def get_source_files(self) -> list[str]:
        return []

    def get_outputs(self) -> list[str]:
        return []

    def get_output_mapping(self) -> dict[str, str]:
        return {}


class BuildWithInterfaces(build):
    sub_commands: ClassVar = [("build_interfaces", None), *build.sub_commands]


# Asked for by name, because distutils' home depends on the versions of Python and setuptools.
class InstallStaged(Distribution().get_command_class("install_data")):  # type: ignore[misc]
    """Install what CMake staged, except Python packages that are in the wheel as modules."""

    def run(self) -> None:
        editable = self.get_finalized_command("build_interfaces").editable_mode
        modules = () if editable else (STAGE / SITE_PACKAGES).rglob("*")
        files = set(STAGE.rglob("*")).difference(modules)
        self.data_files = [
            (str(file.parent.relative_to(STAGE)), [str(file)])
            for file in sorted(files)
            if file.is_file()
        ]
        super().run()


def ros_prefix() -> Path:
    """The prefix that holds the ROS wheels: this environment's, or pip's isolated one."""
    try:
        files = distribution("ros-ament-cmake-core").files or []
    except PackageNotFoundError:
        raise SystemExit(
            "error: no ROS 2 wheels in this Python environment: run ./anyview, which makes one; "
            "beside a sourced ROS 2 build with colcon instead (docs/install.md)"
        ) from None
    config = next(file for file in files if file.name == "ament_cmake_coreConfig.cmake")
    return Path(os.fspath(config.locate())).resolve().parents[3]


def stage(prefix: Path) -> None:
    """Configure, build, and install into an empty staging folder; leave out the modules."""
    shutil.rmtree(STAGE, ignore_errors=True)
    cmake(
        prefix,
        *("--fresh", "-G", "Ninja", "-S", str(SOURCE), "-B", str(BUILD / "cmake")),
        "-DBUILD_TESTING=OFF",
        f"-DCMAKE_INSTALL_PREFIX={prefix}",
        f"-DCMAKE_DISABLE_FIND_PACKAGE_tf2_msgs={tf2_msgs_is_ours(prefix)}",
        f"-DPYTHON_INSTALL_DIR={SITE_PACKAGES}",
        f"-DPython3_EXECUTABLE={sys.executable}",
    )
    cmake(prefix, "--build", str(BUILD / "cmake"))
    cmake(prefix, "--install", str(BUILD / "cmake"), "--prefix", str(STAGE))
    for module in (SOURCE / "anyview_ros").rglob("*.py"):  # setuptools packs those
        (STAGE / SITE_PACKAGES / module.relative_to(SOURCE)).unlink(missing_ok=True)
    for metadata in (STAGE / SITE_PACKAGES).glob("*.egg-info"):
        shutil.rmtree(metadata)


def cmake(prefix: Path, *arguments: str) -> None:
    environment = {
        **os.environ,
        "AMENT_PREFIX_PATH": str(prefix),
        "CMAKE_PREFIX_PATH": str(prefix),
        "PATH": os.pathsep.join([str(prefix / "bin"), os.environ.get("PATH", os.defpath)]),
    }
    subprocess.run(["cmake", *arguments], check=True, env=environment)


def tf2_msgs_is_ours(prefix: Path) -> bool:
    """Whether the tf2_msgs in `prefix` came from an earlier install of this package.

    Then it must be generated again, or pip would remove it together with that install.
    """
    package = prefix / "share" / "tf2_msgs" / "package.xml"
    return package.exists() and "anyview_ros" in package.read_text(encoding="utf-8")


setup(
    version=ElementTree.parse(SOURCE / "package.xml").findtext("version"),
    packages=find_packages(include=["anyview_ros", "anyview_ros.*"]),
    package_dir={"": "."},  # lets an editable install be a plain path entry
    data_files=[],
    distclass=PlatformDistribution,
    cmdclass={
        "build": BuildWithInterfaces,
        "build_interfaces": BuildInterfaces,
        "install_data": InstallStaged,
    },
)
