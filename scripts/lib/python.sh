# shellcheck shell=bash
# A Python environment for the tools that are written in Python. Sourced, never run.
#
#   python_ensure   finds python3, or installs Debian's packages, and makes an environment with the tools of
#                   scripts/requirements.txt: sets PYTHON_BIN, the folder of its programs

PYTHON_BIN="" # the folder of the environment's programs

python_ensure() {
    local home=target/python wanted=scripts/requirements.txt
    PYTHON_BIN=$PWD/$home/bin
    if [[ -f $home/requirements.txt ]] && cmp -s "$wanted" "$home/requirements.txt"; then return; fi
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        debian_install "Python with its venv" python3 python3-venv
    fi
    printf '== %s\n' "installing the tools of $wanted" >&2
    rm -rf "$home"
    python3 -m venv "$home"
    if ! "$PYTHON_BIN/pip" install --quiet --disable-pip-version-check --requirement "$wanted"; then
        echo "pip could not install the tools of $wanted: see above" >&2
        exit 2
    fi
    cp "$wanted" "$home/requirements.txt"
}
