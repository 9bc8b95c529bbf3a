// Boost.Asio and Beast with coroutines: seconds a file to parse, so CMake precompiles them for service/http/. Nothing
// may lean on it: each file includes what it uses.
#pragma once

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "cmake/precompiled.h"
