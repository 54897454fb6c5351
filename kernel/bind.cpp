// The only file that knows Python: arrays in, arrays out, sizes checked, GIL released.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "cpu.hpp"
#include "pdq.hpp"

namespace nb = nanobind;
using namespace nb::literals;

// ---- PDQ ----

using Rgb = nb::ndarray<const std::uint8_t, nb::shape<-1, -1, 3>, nb::c_contig, nb::device::cpu>;
using Grey = nb::ndarray<const std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// Sizes that do not fit an int are cut to one that the kernel refuses by name.
static int side(std::size_t size) {
    return static_cast<int>(std::min<std::size_t>(size, std::numeric_limits<int>::max()));
}

// The eight hashes one after the other, the quality, and whether the slow path was needed.
static nb::tuple pdq_tuple(const safelight::Pdq& pdq) {
    return nb::make_tuple(nb::bytes(pdq.dihedral.data(), sizeof(pdq.dihedral)), pdq.quality,
                          pdq.recomputed);
}

template <class Work>
static nb::tuple pdq_without_gil(Work work) {
    safelight::Pdq pdq;
    {
        nb::gil_scoped_release released;
        pdq = work();
    }
    return pdq_tuple(pdq);
}

static nb::tuple pdq_from_rgb(const Rgb& rgb) {
    const safelight::Plane plane{rgb.data(), side(rgb.shape(0)), side(rgb.shape(1)), 3};
    return pdq_without_gil([&] { return safelight::pdq_of(plane); });
}

static nb::tuple pdq_from_gray(const Grey& gray) {
    const safelight::Plane plane{gray.data(), side(gray.shape(0)), side(gray.shape(1)), 1};
    return pdq_without_gil([&] { return safelight::pdq_of(plane); });
}

static nb::tuple pdq_from_scaled_gray(const Grey& gray, int width, int height, int eighths) {
    const safelight::Plane plane{gray.data(), side(gray.shape(0)), side(gray.shape(1)), 1};
    return pdq_without_gil([&] { return safelight::pdq_of_scaled(plane, height, width, eighths); });
}

static void bind_pdq(nb::module_& module) {
    module.def("pdq_from_rgb", &pdq_from_rgb, nb::arg("rgb").noconvert());
    module.def("pdq_from_gray", &pdq_from_gray, nb::arg("gray").noconvert());
    module.def("pdq_from_scaled_gray", &pdq_from_scaled_gray, nb::arg("gray").noconvert(), "width"_a,
               "height"_a, "eighths"_a);
}

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
