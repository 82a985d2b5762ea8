#!/bin/sh
# Pins what the .in files ask for, with hashes, for Python 3.11 to 3.13. Needs uv on the PATH.
# A file is compiled against those before it, so that all of them agree and can be installed
# together.
set -eu
cd "$(dirname "$0")"

pin() {
  name=$1
  shift
  uv pip compile --quiet --universal --python-version "${PYTHON_VERSION:-3.11}" \
    --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
    "$@" --output-file "$name.txt.new" "$name.in"
  { echo "# Made from $name.in by compile.sh: edit that file, not this one."; cat "$name.txt.new"; } >"$name.txt"
  rm "$name.txt.new"
}

pin run
pin ros-jazzy -c run.txt
pin ros-kilted -c run.txt
# Without numpy, which is there before them: 2 from run.txt, or Ubuntu's 1.26 beside a sourced ROS.
pin onnxruntime -c run.txt -c ros-jazzy.txt --no-emit-package numpy
pin onnxruntime-gpu -c run.txt -c ros-jazzy.txt --no-emit-package numpy
pin test -c run.txt -c ros-jazzy.txt -c onnxruntime.txt --no-emit-package numpy --no-emit-package pillow
pin train -c run.txt -c ros-jazzy.txt -c onnxruntime.txt -c test.txt
pin view -c run.txt -c ros-jazzy.txt -c onnxruntime.txt -c test.txt --no-emit-package numpy --no-emit-package pillow
pin tables -c run.txt -c ros-jazzy.txt -c onnxruntime.txt -c test.txt
pin stores -c run.txt -c ros-jazzy.txt -c onnxruntime.txt -c test.txt -c train.txt
pin ray -c run.txt -c ros-jazzy.txt -c onnxruntime.txt -c test.txt -c train.txt -c view.txt
# A sourced ROS runs on Ubuntu's Python 3.12, and its message bindings need numpy 1.26.
PYTHON_VERSION=3.12 pin sourced-ros
# Lyrical's Ubuntu has Python 3.14 and a numpy 2 that ROS is compiled against.
PYTHON_VERSION=3.14 pin sourced-lyrical --no-emit-package numpy
