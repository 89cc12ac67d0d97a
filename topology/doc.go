// Package topology is the graph of a streams program: what package dsl, or the
// node-by-node Builder here, produces and what the runtime and the test driver
// run.
//
// A graph has typed edges while it is built (Port) and is plain data afterwards
// (Topology, Node, Store). It is cut into sub-topologies at the topics between
// its nodes.
package topology
