// Package broker is a Kafka broker that runs inside a Go process.
//
//	c, err := broker.StartEmbedded(ctx, broker.Config{})
//	...
//	client, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...))
//
// The same code serves an embedded broker and a broker process; [Start] is for
// the latter. Clients of every kind that speak the protocol of Kafka 2.1 or
// later can connect.
//
// # Way of a request
//
//	connection ─▶ frame ─▶ dispatch, in order of arrival ─▶ reply slot ─▶ finish, in order ─▶ socket
//	  reader       api        append to the log,               queue       wait for the flush,
//	 goroutine                park a fetch, or call            (bounded)   for data, or nothing
//	                          a handler                                     writer goroutine
//
// A connection has two goroutines. The reader decodes requests and does the
// part of each that must happen in the order of arrival, above all appending.
// The writer waits for what a response depends on, one response after the
// other, since that is the order the protocol demands. A parked fetch is
// therefore a struct on which the writer happens to sleep; nothing else is
// spent on it.
//
// # Invariants
//
//   - Responses leave a connection in the order its requests arrived.
//   - Appends of one connection to one partition happen in the order of its
//     requests.
//   - What a consumer may read is below the high watermark, and with
//     [FlushAlways] the high watermark never passes what is flushed. An
//     acknowledged write is below it.
//   - Memory for requests and for fetched records is taken from budgets that all
//     connections share: as bytes arrive, and never by large requests where small
//     ones need it. Nobody holds any while it waits for time to pass, and who
//     holds it for a peer that does not move is cut when others need it.
//   - Partition logs are opened on first use and closed by the broker alone.
//
// # Lock order
//
// Connection state is owned by its two goroutines. partition.mu is a leaf but
// for the log's own locks; topicSet.mu and sessionCache.mu are leaves.
package broker
