package dsl

import (
	"errors"

	"github.com/thalweg/thalweg/processor"
)

// errAbandoned ends the work on a record, several results of which a node makes,
// when one of them has failed and the handler chose to go on. As in Kafka Streams
// the results before it stay, and no more come of the record in this node.
var errAbandoned = errors.New("dsl: a record is abandoned")

// abandon hands a failure to the handler, like Context.Fail. It never returns nil.
func abandon(c *processor.Context, node string, k, v any, err error) error {
	if err := c.Fail(processor.StageProcess, node, k, v, err); err != nil {
		return err
	}
	return errAbandoned
}

// abandoned is the error of a node's work on one record: none if it was abandoned.
func abandoned(err error) error {
	if err == errAbandoned {
		return nil
	}
	return err
}
