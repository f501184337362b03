// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "arrays.h"
#include "core/checks.h"
#include "core/isa.h"

namespace tersevec {

void bind_fde(pybind11::module_& parent);
void bind_hamming(pybind11::module_& parent);
void bind_maxsim(pybind11::module_& parent);
void bind_pqencode(pybind11::module_& parent);
void bind_pqscan(pybind11::module_& parent);
void bind_sparseproj(pybind11::module_& parent);
void bind_symdist(pybind11::module_& parent);

}  // namespace tersevec

PYBIND11_MODULE(_native, module, pybind11::mod_gil_not_used(),
                pybind11::multiple_interpreters::per_interpreter_gil()) {
    using namespace tersevec;
    module.doc() =
        "Native kernels of tersevec. Use the public modules; these functions check only what "
        "memory safety needs.";
    module.def("isa_levels", [] {
        std::vector<std::string> names;
        for (const Isa isa : isa_levels()) {
            names.emplace_back(isa_name(isa));
        }
        return names;
    });
    module.def("isa_runnable", [] {
        std::vector<std::string> names;
        for (const Isa isa : isa_levels()) {
            if (isa_runnable(isa)) {
                names.emplace_back(isa_name(isa));
            }
        }
        return names;
    });
    module.def("isa_active", [] { return std::string(isa_name(isa_active())); });
    using namespace pybind11::literals;
    module.def(
        "first_beyond",
        [](const py::array_t<float>& x, float limit) {
            return first_beyond(rows_of(x, "x"), limit);
        },
        "x"_a.noconvert(), "limit"_a);
    bind_fde(module);
    bind_hamming(module);
    bind_maxsim(module);
    bind_pqencode(module);
    bind_pqscan(module);
    bind_sparseproj(module);
    bind_symdist(module);
}
