# SPDX-License-Identifier: MIT
# Fails when the archives together need a symbol that a device does not have, or keep mutable state of their own.
# Allowed: the four memory functions of newlib, and whatever the compiler's own libgcc defines.
# usage: cmake -D NM=... -D SIZE=... -D LIBGCC=... -D ARCHIVES=A,B,... -P check_freestanding.cmake
cmake_minimum_required(VERSION 3.25)

# Symbols of the given types (letters of nm, a character class) in a file.
function(symbols out file types)
	execute_process(COMMAND ${NM} --format=posix ${file} OUTPUT_VARIABLE lines COMMAND_ERROR_IS_FATAL ANY)
	string(REGEX MATCHALL "[^\n ]+ [${types}]( |\n|$)" found "${lines}")
	list(TRANSFORM found REPLACE " .*" "")
	set(${out} ${found} PARENT_SCOPE)
endfunction()

# Whole lines, which message(SEND_ERROR) would wrap; the end of this file turns them into a failure.
function(fault text)
	message(NOTICE "${text}")
	set_property(GLOBAL PROPERTY faults TRUE)
endfunction()

string(REPLACE "," ";" ARCHIVES "${ARCHIVES}")
set(allowed memcpy memset memmove memcmp)
symbols(runtime ${LIBGCC} "TtWw")
list(APPEND allowed ${runtime})
foreach(archive ${ARCHIVES})
	symbols(defined ${archive} "TtRrWwVv")
	list(APPEND allowed ${defined})
	list(LENGTH defined count)
	if(count EQUAL 0)
		fault("${archive}: defines nothing; the check would be empty")
	endif()
endforeach()

foreach(archive ${ARCHIVES})
	symbols(needed ${archive} "U")
	list(REMOVE_DUPLICATES needed)
	if(needed)
		list(REMOVE_ITEM needed ${allowed})
	endif()
	foreach(symbol ${needed})
		fault("${archive}: undefined symbol ${symbol}: a device has no such function")
	endforeach()
	symbols(mutable ${archive} "BbCDdGgSs")
	foreach(symbol ${mutable})
		fault("${archive}: mutable global ${symbol}: state belongs into a struct of the caller's")
	endforeach()
	execute_process(COMMAND ${SIZE} --totals ${archive} COMMAND_ERROR_IS_FATAL ANY)
endforeach()

get_property(failed GLOBAL PROPERTY faults)
if(failed)
	message(FATAL_ERROR "not freestanding")
endif()
