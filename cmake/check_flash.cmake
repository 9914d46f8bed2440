# SPDX-License-Identifier: MIT
# Fails when an archive takes more flash (code, constants, initial values) than it may.
# usage: cmake -D SIZE=... -D ARCHIVE=... -D LIMIT=BYTES -P check_flash.cmake
cmake_minimum_required(VERSION 3.25)

execute_process(COMMAND ${SIZE} --totals ${ARCHIVE} OUTPUT_VARIABLE table COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCH "([0-9]+)[ \t]+([0-9]+)[ \t]+[0-9]+[ \t]+[0-9]+[ \t]+[0-9a-f]+[ \t]+\\(TOTALS\\)" total "${table}")
if(NOT total)
	message(FATAL_ERROR "${SIZE} says nothing of ${ARCHIVE}'s total: ${table}")
endif()
math(EXPR flash "${CMAKE_MATCH_1} + ${CMAKE_MATCH_2}")
if(flash EQUAL 0)
	message(FATAL_ERROR "${ARCHIVE} takes no flash at all: the check would be empty")
endif()
message(NOTICE "${flash} bytes of flash, ${LIMIT} allowed")
if(flash GREATER LIMIT)
	message(FATAL_ERROR "too large")
endif()
