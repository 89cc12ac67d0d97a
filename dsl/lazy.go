package dsl

// lazy is the constraint of a blank type parameter that says nothing to a
// caller: struct{} is its only type, so it is always inferred. The compiler
// makes all plain methods of each Stream[K, V] and Table[K, V] that a program
// names, called or not, and with them all that they lead to; a method with a
// type parameter of its own is made where it is called. So each method here
// that does more than fill in a struct has one. Without it a program with ten
// pairs of types takes four times as long to compile.
type lazy interface{ struct{} }
