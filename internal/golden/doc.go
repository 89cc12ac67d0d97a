// Package golden holds the project to the recorded behaviour of Apache Kafka
// Streams: 108 topologies, written here with the public API, and for each of
// them recorded runs (input steps, every output record with the step that
// caused it, dropped records, final store contents, internal topics).
//
// The recordings are in testdata/cases, one JSON file a run. The environment
// variable GOLDEN_CASES names another directory of recordings of the same
// topologies.
//
// The folder java has the same topologies for Kafka Streams itself, a recorder,
// and Variation, which draws new input from the recorded one. build/golden runs
// them; testdata/fresh.json.gz holds some of what it recorded.
package golden
