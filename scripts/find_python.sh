#!/bin/sh
# Prints the Python that shall create .venv: the one given as argument, else the first on the path that is 3.11 or 3.12
# and brings venv and pip. A name on the path proves nothing (a pyenv shim may have no Python behind it), so each is run.
set -u

suits() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' >/dev/null 2>&1
}

version() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

if [ $# -gt 0 ]; then
    if suits "$1"; then echo "$1"; exit 0; fi
    found=$(version "$1") && found="Python $found" || found="not a Python that runs"
    case $found in "Python 3.11" | "Python 3.12") found="$found without venv or pip (Debian: apt-get install python3-venv)" ;; esac
    echo "Text Diffusion Lab needs Python 3.11 or 3.12 with venv and pip, and PYTHON=$1 is $found." >&2
    exit 1
fi

seen=
for name in python3.12 python3.11 python3 python; do
    if suits "$name"; then echo "$name"; exit 0; fi
    found=$(version "$name") && seen="$seen, $name is $found"
done
seen=${seen#, }
echo "Text Diffusion Lab needs Python 3.11 or 3.12 with venv and pip (on Debian also python3-venv);" \
     "found: ${seen:-none}. Install one, or name it: make PYTHON=/path/to/python3.12 app." >&2
exit 1
