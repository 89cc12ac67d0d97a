package batch

import "math"

// CheckProduced applies the rules for a batch that a client produces, as far
// as the header shows them, and the checksum. Rules about records are
// [View.CheckRecords]'.
func (v View) CheckProduced() error {
	if err := v.Validate(); err != nil {
		return err
	}
	switch {
	case v.BaseOffset() != 0:
		return invalid(-1, "base offset is %d, want 0", v.BaseOffset())
	case v.Count() != v.LastOffsetDelta()+1:
		return invalid(-1, "%d records with last offset delta %d", v.Count(), v.LastOffsetDelta())
	case v.IsControl():
		return invalid(-1, "clients may not write control batches")
	case v.Attributes()&attrDeleteHorizon != 0:
		return invalid(-1, "clients may not set a delete horizon")
	case v.IsLogAppendTime():
		return &InvalidError{Reason: "timestamp type must be CreateTime", Index: -1, Timestamp: true}
	case v.ProducerID() >= 0 && (v.ProducerEpoch() < 0 || v.BaseSequence() < 0):
		return invalid(-1, "producer %d with epoch %d and sequence %d",
			v.ProducerID(), v.ProducerEpoch(), v.BaseSequence())
	case v.ProducerID() < 0 && v.IsTransactional():
		return invalid(-1, "transactional batch without a producer id")
	}
	return nil
}

// RecordRules are a topic's rules for the records of a produced batch. The
// zero value asks for intact records only.
type RecordRules struct {
	RequireKey   bool  // compacted topics
	MinTimestamp int64 // checked when BoundTime is set
	MaxTimestamp int64
	BoundTime    bool
}

// CheckRecords walks all records, decompressing with d, and returns the
// largest timestamp. The caller corrects the header with
// [View.SetMaxTimestamp] when it says otherwise.
func (v View) CheckRecords(d *Decompressor, rules RecordRules) (maxTimestamp int64, err error) {
	it, err := v.Records(d)
	if err != nil {
		return 0, err
	}
	maxTimestamp = math.MinInt64
	base := v.BaseOffset()
	var r Record
	for i := 0; it.Next(&r); i++ {
		switch {
		case r.Offset != base+int64(i):
			return 0, invalid(i, "offset delta is %d", r.Offset-base)
		case rules.RequireKey && r.Key == nil:
			return 0, invalid(i, "a compacted topic needs a key")
		case rules.BoundTime && (r.Timestamp < rules.MinTimestamp || r.Timestamp > rules.MaxTimestamp):
			return 0, &InvalidError{Reason: "timestamp is out of the topic's range", Index: i, Timestamp: true}
		}
		maxTimestamp = max(maxTimestamp, r.Timestamp)
	}
	if err := it.Err(); err != nil {
		return 0, err
	}
	return maxTimestamp, nil
}
