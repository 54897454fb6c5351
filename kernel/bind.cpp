// The only file that knows Python: arrays in, arrays out, sizes checked, GIL released.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <string>

#include "cpu.hpp"

namespace nb = nanobind;
using namespace nb::literals;

// ---- PDQ ----

static void bind_pdq(nb::module_&) {}

// ---- Hamming search ----

static void bind_hamming(nb::module_&) {}

NB_MODULE(_kernel, module) {
    module.doc() = "Native kernel: PDQ hashing and Hamming search.";
    module.def(
        "isa", [] { return std::string(safelight::isa_name(safelight::active_isa())); },
        "The instruction set in use: plain, avx2, avx512 or neon.");
    bind_pdq(module);
    bind_hamming(module);
}
