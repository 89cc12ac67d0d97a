// Package api is the broker's side of the Kafka wire protocol: which requests
// it serves and in which versions, the frame header, and the decoders and
// encoders of the two hot requests, Produce and Fetch.
//
// Everything here is pure: bytes in, values out. Nothing allocates from a
// length that has not been checked against the bytes that are really there,
// and nothing panics on any input. Requests other than Produce and Fetch are
// decoded by kmsg after [Spec.Check] has walked them against their schema,
// which bounds the memory and the time that decoding can take.
package api
