// AssemblyScript's number types for tsc, which compiles uapi for the TypeScript tree too. asc never reads this file.
// No 64-bit types: uapi has no 64-bit constants, since they are number on one side and bigint on the other.

declare type bool = boolean
declare type i8 = number
declare type u8 = number
declare type i16 = number
declare type u16 = number
declare type i32 = number
declare type u32 = number
declare type isize = number
declare type usize = number
