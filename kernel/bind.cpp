// The only file that knows Python: arrays in, arrays out, sizes checked, GIL released.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "cpu.hpp"
#include "index.hpp"
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

using safelight::Index, safelight::Matches, safelight::Segment;
using safelight::hamming::kHashBytes;

using Bytes = nb::ndarray<const std::uint8_t, nb::shape<-1, 32>, nb::c_contig, nb::device::cpu>;
using AnyBytes = nb::ndarray<const std::uint8_t, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

std::span<const std::uint8_t> span_of(const Bytes& hashes) {
    return {hashes.data(), hashes.shape(0) * kHashBytes};
}

std::span<const std::int64_t> span_of(const Ids& ids) { return {ids.data(), ids.shape(0)}; }

// Lets Ctrl-C end long work: asks Python every tenth of a second.
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

// NumPy arrays that share the ownership of what they show.
class Owner {
public:
    template <class T>
    explicit Owner(T* held) : capsule_(held, [](void* data) noexcept { delete static_cast<T*>(data); }) {}

    template <class T>
    nb::object array(std::vector<T>& values) const {
        return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<1>>(values.data(), {values.size()}, capsule_));
    }
    nb::object read_only(std::span<const std::uint8_t> bytes) const {
        using Array = nb::ndarray<nb::numpy, const std::uint8_t, nb::ndim<1>>;
        return nb::cast(Array(bytes.data(), {bytes.size()}, capsule_));
    }

private:
    nb::capsule capsule_;
};

// What a search is asked. Python's face explains what is wrong with arguments that are not taken:
// checking them there each time would cost more than many a search.
struct Question {
    AnyBytes hashes;
    unsigned radius = 0;
    std::size_t limit = 0;

    // False for arguments that are not plainly right.
    bool take(nb::handle array, nb::handle untrusted_radius, nb::handle untrusted_limit) {
        return nb::try_cast(array, hashes, false) && hashes.ndim() != 0 &&
               hashes.shape(hashes.ndim() - 1) == kHashBytes && take_radius(untrusted_radius) &&
               take_limit(untrusted_limit);
    }
    std::span<const std::uint8_t> span() const { return {hashes.data(), hashes.size()}; }

private:
    bool take_radius(nb::handle value) {
        if (!PyLong_CheckExact(value.ptr())) return false;
        int overflow = 0;
        const long number = PyLong_AsLongAndOverflow(value.ptr(), &overflow);
        radius = static_cast<unsigned>(number);
        return overflow == 0 && number >= 0 && number <= safelight::kMostRadius;
    }
    bool take_limit(nb::handle value) {
        limit = safelight::kNoLimit;
        if (value.is_none()) return true;
        if (!PyLong_CheckExact(value.ptr())) return false;
        int overflow = 0;
        const long number = PyLong_AsLongAndOverflow(value.ptr(), &overflow);
        limit = static_cast<std::size_t>(number);
        return overflow == 0 && number >= 1;
    }
};

template <class Work>
std::unique_ptr<Matches> matches_without_gil(Work work) {
    const nb::gil_scoped_release unlocked;
    return std::make_unique<Matches>(work());
}

nb::object search(const Index& index, nb::handle queries, nb::handle radius, nb::handle limit) {
    Question ask;
    if (!ask.take(queries, radius, limit) || ask.hashes.ndim() > 2) return nb::none();
    auto matches = matches_without_gil([&] {
        return index.snapshot()->search(ask.span(), ask.radius, ask.limit, Interruptible());
    });
    Matches& found = *matches;
    const Owner owner(matches.release());
    return nb::make_tuple(owner.array(found.offsets), owner.array(found.ids),
                          owner.array(found.distances));
}

nb::object search_oriented(const Index& index, nb::handle queries, nb::handle radius,
                           nb::handle limit) {
    Question ask;
    if (!ask.take(queries, radius, limit) || ask.hashes.ndim() != 3) return nb::none();
    const std::size_t each = ask.hashes.shape(1);
    if (each < 1 || each > 255) return nb::none();
    auto matches = matches_without_gil([&] {
        return index.snapshot()->search_oriented(ask.span(), each, ask.radius, ask.limit,
                                                 Interruptible());
    });
    Matches& found = *matches;
    const Owner owner(matches.release());
    return nb::make_tuple(owner.array(found.offsets), owner.array(found.ids),
                          owner.array(found.distances), owner.array(found.orientations));
}

nb::tuple tuple_of(const safelight::SegmentCounts& counts) {
    return nb::make_tuple(counts.entries, counts.rows, counts.singles);
}

// The counts of a segment of everything, and its bytes.
nb::tuple whole(Index& index) {
    std::shared_ptr<const Segment> segment;
    {
        const nb::gil_scoped_release unlocked;
        segment = index.whole(Interruptible());
    }
    const std::span<const std::uint8_t> bytes = segment->bytes();
    const nb::tuple counts = tuple_of(segment->counts());
    const Owner owner(new std::shared_ptr<const Segment>(std::move(segment)));
    return nb::make_tuple(counts, owner.read_only(bytes));
}

// An index over a segment in an open file.
void map_index(Index* index, std::size_t merge_rows, std::size_t direct_rows, int file,
               std::size_t offset, std::size_t bytes, std::tuple<std::uint64_t, std::uint64_t, std::uint64_t> counts) {
    try {
        new (index) Index({merge_rows, direct_rows},
                          Segment::over(safelight::Memory::map(file, offset, bytes),
                                        std::make_from_tuple<safelight::SegmentCounts>(counts)));
    } catch (const std::system_error& error) {
        errno = error.code().value();
        PyErr_SetFromErrno(PyExc_OSError);
        throw nb::python_error();
    }
}

nb::tuple statistics(Index& index) {
    const safelight::Statistics all = index.statistics();
    return nb::make_tuple(all.entries, all.segments, all.in_delta, all.removed, all.bytes, all.mapped,
                          all.merging, all.merge_error);
}

void bind_index(nb::module_& module) {
    const nb::call_guard<nb::gil_scoped_release> unlocked;

    nb::class_<Index>(module, "Index", "256-bit hashes with ids, searched by distance.")
        .def("__init__",
             [](Index* index, std::size_t merge_rows, std::size_t direct_rows) {
                 new (index) Index({merge_rows, direct_rows});
             },
             "merge_rows"_a, "direct_rows"_a)
        .def("__init__", &map_index, "merge_rows"_a, "direct_rows"_a, "file"_a, "offset"_a, "bytes"_a,
             "counts"_a)
        .def("__len__", [](const Index& index) { return index.snapshot()->live(); })
        .def("add",
             [](Index& index, const Bytes& hashes, const Ids& ids) {
                 index.add(span_of(hashes), span_of(ids), Interruptible());
             },
             nb::arg("hashes").noconvert(), nb::arg("ids").noconvert(), unlocked)
        .def("replace",
             [](Index& index, const Bytes& hashes, const Ids& ids) {
                 index.replace(span_of(hashes), span_of(ids), Interruptible());
             },
             nb::arg("hashes").noconvert(), nb::arg("ids").noconvert(), unlocked)
        .def("remove", [](Index& index, const Ids& ids) { return index.remove(span_of(ids)); },
             nb::arg("ids").noconvert(), unlocked)
        .def("search", &search, "queries"_a.none(), "radius"_a.none(), "limit"_a.none())
        .def("search_oriented", &search_oriented, "queries"_a.none(), "radius"_a.none(), "limit"_a.none())
        .def("merge", [](Index& index) { index.merge(Interruptible()); }, unlocked)
        .def("whole", &whole)
        .def("statistics", &statistics);
}

}  // namespace

NB_MODULE(_kernel, module) {
    module.doc() = "Native kernel: PDQ hashing and Hamming search.";
    bind_index(module);
    module.def(
        "isa", [] { return std::string(safelight::isa_name(safelight::active_isa())); },
        "The instruction set in use: plain, avx2, avx512 or neon.");
    bind_pdq(module);
}
