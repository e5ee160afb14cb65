# shellcheck shell=bash
# Runs `cargo test` as a whole, and its failures a second time. Sourced, never run.
#
# Some tests hold the service to limits of time that it promises: 900 ms for a commit, 250 ms for a read. Beside other
# tests a machine with few cores misses one of them now and then. Up to CARGO_TESTS_MOST_AGAIN failures are therefore run
# again, one test at a time. One that fails alone as well is a failure; one that passes alone is named at the end, and is
# a defect of the test.

CARGO_TESTS_MOST_AGAIN=5

# Prints the names of the failed tests in the output file $1, one a line.
cargo_tests_failed() { sed -n 's/^test \([A-Za-z0-9_:]*\)\( - should panic\)\{0,1\} \.\.\. FAILED$/\1/p' "$1" | sort -u; }

# Prints how many tests the output file $1 counts as $2, `passed` or `failed`.
cargo_tests_count() { sed -n "s/^test result: .* \([0-9]*\) $2;.*/\1/p" "$1" | awk '{ sum += $1 } END { print sum + 0 }'; }

# Runs all tests. $1 is a folder for the output of both runs.
cargo_tests() {
    local failed
    if cargo test --locked --no-fail-fast 2>&1 | tee "$1/tests"; then return; fi
    mapfile -t failed < <(cargo_tests_failed "$1/tests")
    # No name: a build failed, or a program ended. Fewer names than failures: a doc test, or a line that was torn.
    if ((${#failed[@]} != $(cargo_tests_count "$1/tests" failed))); then return 1; fi
    if ((${#failed[@]} == 0 || ${#failed[@]} > CARGO_TESTS_MOST_AGAIN)); then return 1; fi
    echo "== cargo test, alone: ${failed[*]}"
    if ! cargo test --locked --no-fail-fast -- --exact --test-threads=1 "${failed[@]}" 2>&1 | tee "$1/again"; then return 1; fi
    if (($(cargo_tests_count "$1/again" passed) != ${#failed[@]})); then return 1; fi
    printf 'passed only alone: %s\n' "${failed[@]}"
}
