// Package lualib is the Lua 5.1 standard library as a server that runs other people's scripts needs it: it replaces the
// parts of gopher-lua's library that are unsafe, slow or different from Lua 5.1.
//
// One lua.LState serves all applications on one goroutine; nothing here is safe for use by another goroutine, except
// Compile. Base functions (print, pcall, pairs …) are shared and live in the globals of the state; the library tables
// (string, table, math …) are copied for each application by Install, so that a script which assigns string.trim changes
// its own table only.
//
// What the package adds to the library functions themselves: loops that ask a Budget, results of bounded size, protected
// calls that keep closures intact (see PCall), and a compiler front end (see Compile) that also takes the operator ".."
// away from the virtual machine, where neither its size nor its number format could be controlled.
//
// # What differs from Lua 5.1
//
// Kept from gopher-lua, because it happens inside the virtual machine: texts of the errors of operations ("attempt to
// index a non-table object(nil) with key 'x'"); a text with leading zeros in arithmetic is octal ("010" + 1 is 9; tonumber,
// bounds of loops and literals are right); weak tables and finalizers do nothing; there is goto; # does not see elements at
// 2^20 and above; a table remembers the keys it once had; statements may be separated by more than one
// semicolon.
//
// As in LuaJIT: error values given to assert, arguments of xpcall, text given to load, any value given to %s, a separator
// for string.rep, %a, negative numbers of other bases, \x and \z, bit. Unlike there a coroutine cannot yield inside
// pcall, as in Lua 5.1 itself.
//
// On purpose: error joins its arguments (see baseError); functions that loadstring and load make have the environment of
// their caller; setfenv(0) and functions of the debug library that change something are missing; a zero byte in a pattern
// is a character; numbers out of range become the nearest integer where one is wanted; recursion is 4096 deep, 2048 inside
// pcall and 1024 in a coroutine; 200 protected calls or callbacks, or 100 coroutines, run inside each other; a pattern may
// have 1000 items that are tried; chains of more than 500 operators are refused.
package lualib
