/* What stands in for the library that unwinds: its tables are left out (no_unwinding.ld), so nobody would be found on the
   stack. Rust's handler of panics asks for a backtrace before it ends the process, and gets none. */

/* The end of the stack is reached. */
enum { URC_END_OF_STACK = 5 };

int _Unwind_Backtrace(void)
{
    return URC_END_OF_STACK;
}

/* These are asked by whoever has been found on the stack, or unwinds it: nobody. */
#define NEVER(name) void name(void) { __builtin_trap(); }

NEVER(_Unwind_GetIP)
NEVER(_Unwind_GetIPInfo)
NEVER(_Unwind_GetLanguageSpecificData)
NEVER(_Unwind_GetRegionStart)
NEVER(_Unwind_GetTextRelBase)
NEVER(_Unwind_GetDataRelBase)
NEVER(_Unwind_SetGR)
NEVER(_Unwind_SetIP)
NEVER(_Unwind_Resume)
