// SPDX-License-Identifier: Apache-2.0
/// One table of kernels per family: rows are CPU levels, fastest first, scalar last; columns are
/// operations.
#pragma once

#include <span>

#include "core/isa.h"

namespace tersevec {

/// The fastest row that has the operation, that this CPU runs and that `at_most` allows.
template <class Kernels, class Operation>
const Kernels& fastest_row(std::span<const Kernels* const> rows, Operation Kernels::* operation,
                           Isa at_most) noexcept {
    for (const Kernels* row : rows) {
        if (row->*operation != nullptr && row->isa <= at_most && isa_runnable(row->isa)) {
            return *row;
        }
    }
    return *rows.back();
}

/// The operation of the fastest row that has it, that this CPU runs and that `at_most` allows.
/// A null member means that a lower row will do; the scalar row has every operation.
template <class Kernels, class Operation>
Operation pick(std::span<const Kernels* const> rows, Operation Kernels::* operation,
               Isa at_most) noexcept {
    return fastest_row(rows, operation, at_most).*operation;
}

}  // namespace tersevec
