// The fast path's filter: a plane of bytes becomes 64 × 64 values of luma.
#pragma once

#include <array>

#include "pdq.hpp"
#include "pdq_plan.hpp"

namespace safelight {

using Plane64 = std::array<float, pdq_points * pdq_points>;  // by rows

// The tents of `rows` and `columns` evaluated on the plane. `columns` counts bytes, so for a plane
// of three channels it is the one of `plan_for_rgb`. The same bits come from every instruction set.
Plane64 filter_plane(const Plane& plane, const Plan& rows, const Plan& columns);

}  // namespace safelight
