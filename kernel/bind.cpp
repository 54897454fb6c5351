// The only file that knows Python: arrays in, arrays out, sizes checked, GIL released.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "cpu.hpp"
#include "flat_index.hpp"
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

namespace {

using Bytes = nb::ndarray<const std::uint8_t, nb::shape<-1, 32>, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

std::span<const std::uint8_t> span_of(const Bytes& hashes) {
    return {hashes.data(), hashes.shape(0) * safelight::hamming::kHashBytes};
}

std::span<const std::int64_t> span_of(const Ids& ids) { return {ids.data(), ids.shape(0)}; }

// A NumPy array that owns the vector's memory.
template <class T>
nb::ndarray<nb::numpy, T, nb::ndim<1>> to_numpy(std::vector<T>&& values) {
    auto* held = new std::vector<T>(std::move(values));
    nb::capsule owner(held, [](void* data) noexcept { delete static_cast<std::vector<T>*>(data); });
    return {held->data(), {held->size()}, owner};
}

// Lets Ctrl-C end a long search: asks Python every tenth of a second.
class Interruptible {
public:
    void operator()() {
        const auto now = std::chrono::steady_clock::now();
        if (now - asked_ < std::chrono::milliseconds(100)) return;
        asked_ = now;
        const nb::gil_scoped_acquire locked;
        if (PyErr_CheckSignals() != 0) throw nb::python_error();
    }

private:
    std::chrono::steady_clock::time_point asked_ = std::chrono::steady_clock::now();
};

nb::tuple search_flat(const safelight::FlatIndex& index, const Bytes& queries, unsigned radius,
                      std::size_t limit) {
    if (radius > 255) throw std::invalid_argument("the radius must be from 0 to 255");
    if (limit == 0) throw std::invalid_argument("the limit must be 1 or more");
    safelight::Matches matches;
    std::vector<std::uint8_t> distances;
    {
        const nb::gil_scoped_release unlocked;
        matches = index.snapshot()->search(span_of(queries), radius, limit, Interruptible());
        distances.assign(matches.distances.begin(), matches.distances.end());
    }
    return nb::make_tuple(to_numpy(std::move(matches.offsets)), to_numpy(std::move(matches.ids)),
                          to_numpy(std::move(distances)));
}

nb::tuple copy_block(const safelight::Snapshot& snapshot, std::size_t block) {
    const std::size_t count = snapshot.block_live(block);
    std::vector<std::uint8_t> hashes(count * safelight::hamming::kHashBytes);
    std::vector<std::int64_t> ids(count);
    {
        const nb::gil_scoped_release unlocked;
        snapshot.copy_block(block, hashes.data(), ids.data());
    }
    return nb::make_tuple(to_numpy(std::move(hashes)), to_numpy(std::move(ids)));
}

void add_hamming(nb::module_& module) {
    using safelight::FlatIndex, safelight::Snapshot;
    const nb::call_guard<nb::gil_scoped_release> unlocked;

    nb::class_<Snapshot>(module, "Snapshot", "The entries of an index at one moment.")
        .def("__len__", &Snapshot::live)
        .def_prop_ro("blocks", &Snapshot::blocks)
        .def("block", &copy_block, nb::arg("block"));

    nb::class_<FlatIndex>(module, "FlatIndex", "256-bit hashes, searched from end to end.")
        .def(nb::init<>())
        .def("__len__", [](const FlatIndex& index) { return index.snapshot()->live(); })
        .def("add",
             [](FlatIndex& index, const Bytes& hashes, const Ids& ids) {
                 index.add(span_of(hashes), span_of(ids));
             },
             nb::arg("hashes").noconvert(), nb::arg("ids").noconvert(), unlocked)
        .def("extend",
             [](FlatIndex& index, const Bytes& hashes, const Ids& ids) {
                 index.extend(span_of(hashes), span_of(ids));
             },
             nb::arg("hashes").noconvert(), nb::arg("ids").noconvert(), unlocked)
        .def("check_ids", &FlatIndex::check_ids, unlocked)
        .def("remove",
             [](FlatIndex& index, const Ids& ids) { return index.remove(span_of(ids)); },
             nb::arg("ids").noconvert(), unlocked)
        .def("search", &search_flat, nb::arg("queries").noconvert(), nb::arg("radius"),
             nb::arg("limit"))
        .def("snapshot", [](const FlatIndex& index) {
            return std::const_pointer_cast<Snapshot>(index.snapshot());
        });
}

}  // namespace

NB_MODULE(_kernel, module) {
    module.doc() = "Native kernel: PDQ hashing and Hamming search.";
    add_hamming(module);
    module.def(
        "isa", [] { return std::string(safelight::isa_name(safelight::active_isa())); },
        "The instruction set in use: plain, avx2, avx512 or neon.");
    bind_pdq(module);
}
