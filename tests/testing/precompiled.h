// What nearly every test includes; precompiled once (cmake/RetroTargets.cmake). Each test still includes what it uses.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cmake/precompiled.h"
