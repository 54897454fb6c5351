// The only file that knows Python: arrays in, arrays out, sizes checked, GIL released.
#include <nanobind/nanobind.h>

namespace nb = nanobind;

// ---- PDQ ----

// ---- Hamming search ----

NB_MODULE(_kernel, module) {
    module.doc() = "Native kernel: PDQ hashing and Hamming search.";
}
