# SPDX-License-Identifier: MIT
# Fails when the README's C example is not what examples/api.c, which the build compiles, has between its marks.
# usage: cmake -D ROOT=... -P check_readme.cmake
cmake_minimum_required(VERSION 3.25)
file(READ ${ROOT}/README.md readme)
file(READ ${ROOT}/examples/api.c example)
string(REGEX MATCH "/\\* README { \\*/\n(.*\n)\t/\\* } README \\*/" found "${example}")
string(REGEX REPLACE "(^|\n)\t" "\\1" lines "${CMAKE_MATCH_1}")
string(FIND "${readme}" "```c\n${lines}```\n" place)
if(NOT found OR place EQUAL -1)
	message(FATAL_ERROR "README.md: the C example differs from examples/api.c; copy its marked lines, less one tab")
endif()
