# SPDX-License-Identifier: MIT
# Fails when the firmware takes more flash or RAM than it may, or links anything of the C library but memory functions.
# usage: cmake -D NM=... -D IMAGE=... -D MAP=... -D FLASH=BYTES -D RAM=BYTES -P check_firmware.cmake
cmake_minimum_required(VERSION 3.25)

execute_process(COMMAND ${NM} --format=posix ${IMAGE} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)

function(address_of out symbol)
	if(NOT symbols MATCHES "(^|\n)${symbol} [A-Za-z] ([0-9a-f]+)")
		message(FATAL_ERROR "${IMAGE}: no symbol ${symbol}: the check would be empty")
	endif()
	math(EXPR address "0x${CMAKE_MATCH_2}")
	set(${out} ${address} PARENT_SCOPE)
endfunction()

address_of(flash __image_end)
address_of(bottom __thread_stack_bottom)
address_of(top __bss_end)
math(EXPR ram "${top} - ${bottom}")
message(NOTICE "${flash} bytes of flash, ${FLASH} allowed; ${ram} of RAM with stacks, ${RAM} allowed")
if(flash EQUAL 0 OR flash GREATER FLASH OR ram EQUAL 0 OR ram GREATER RAM)
	message(FATAL_ERROR "too large")
endif()

file(READ ${MAP} map)
string(REGEX MATCHALL "/libc(_[a-z]+)?\\.a\\([^)]*\\)" members "${map}")
list(REMOVE_DUPLICATES members)
foreach(member ${members})
	if(NOT member MATCHES "-?mem(cpy|set|move|cmp)[a-z0-9_-]*\\.o")
		message(FATAL_ERROR "${IMAGE}: links ${member}: only memory functions are there on a device")
	endif()
endforeach()
if(NOT members)
	message(FATAL_ERROR "${MAP}: nothing of the C library: the check would be empty")
endif()
