// What nearly every file of the program includes and what costs seconds to read; precompiled once
// (cmake/RetroTargets.cmake). Nothing may lean on it: each file includes what it uses.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>
