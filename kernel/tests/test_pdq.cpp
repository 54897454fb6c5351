#include "check.hpp"
#include "cpu.hpp"

TEST("plain code runs everywhere") { CHECK(safelight::isa_supported(safelight::Isa::plain)); }
