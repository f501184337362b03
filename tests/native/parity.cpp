// SPDX-License-Identifier: Apache-2.0
/// Every row of every family's table against plain definitions, without Python: for sanitizers and
/// for CPUs that only an emulator has here. Buffers are exactly as large as the headers say.
#include <cstdio>

#include "parity_fde.h"
#include "parity_hamming.h"
#include "parity_keys.h"
#include "parity_maxsim.h"
#include "parity_pqencode.h"
#include "parity_pqscan.h"
#include "parity_products.h"
#include "parity_sparseproj.h"
#include "parity_symdist.h"

int main() {
    tersevec::parity::check_keys();
    tersevec::parity::check_fde();
    tersevec::parity::check_hamming();
    tersevec::parity::check_maxsim();
    tersevec::parity::check_pqencode();
    tersevec::parity::check_pqscan();
    tersevec::parity::check_sparseproj();
    tersevec::parity::check_symdist();
    tersevec::parity::check_products();
    std::printf("%lld passed, 0 failed\n", static_cast<long long>(tersevec::parity::n_passed));
    return 0;
}
