package batch

// Rewrite returns v without the records that keep refuses: what log compaction
// makes of a batch. Offsets, sequence numbers and producer stay; count, largest
// timestamp and checksum follow. A batch that loses all records keeps its
// header. horizon, if not negative, becomes the batch's delete horizon: the
// base of the timestamp deltas, while absolute timestamps stay as they were
// (KIP-534).
//
// When nothing changes the result is v itself, otherwise it is valid until the
// Builder's next use. keep must not retain the record.
func (b *Builder) Rewrite(v View, d *Decompressor, horizon int64, keep func(*Record) bool) (View, error) {
	it, err := v.Records(d)
	if err != nil {
		return nil, err
	}
	b.Reset(Options{
		BaseOffset: v.BaseOffset(), LeaderEpoch: v.LeaderEpoch(),
		ProducerID: v.ProducerID(), ProducerEpoch: v.ProducerEpoch(), BaseSequence: v.BaseSequence(),
	})
	b.fixedBase, b.baseTime = true, v.BaseTimestamp()
	attributes := v.Attributes()
	if horizon >= 0 {
		b.baseTime = horizon
		attributes |= attrDeleteHorizon
	}
	var r Record
	for it.Next(&r) {
		if keep(&r) {
			b.start(int32(r.Offset-v.BaseOffset()), r.Key, r.Value, r.Timestamp, r.Headers.n, len(r.Headers.raw))
			b.buf = append(b.buf, r.Headers.raw...)
		}
	}
	if err := it.Err(); err != nil {
		return nil, err
	}
	if b.count == v.Count() && horizon < 0 {
		return v, nil
	}
	h := header{
		attributes: attributes, lastDelta: v.LastOffsetDelta(), baseTime: b.baseTime, maxTime: b.maxTime, count: b.count,
	}
	if v.IsLogAppendTime() {
		h.maxTime = v.MaxTimestamp()
	}
	if b.count == 0 {
		h.attributes &^= attrCodec | attrDeleteHorizon
		h.maxTime = NoTimestamp
	}
	out, err := b.pack(Codec(h.attributes & attrCodec))
	if err != nil {
		return nil, err
	}
	out.putHeader(&b.opts, h)
	return out, nil
}
