package dsl

// An Option changes an operator. What more specific kinds of options there are
// says where an option may be given; a misplaced one does not compile.
type Option interface{ operator(*operator) }

type operator struct {
	name       string
	keepsPart  bool
	keepsKnown bool // a promise that needs no check
}

type named string

func (n named) operator(o *operator)       { o.name = string(n) }
func (n named) repartition(r *repartition) { r.nodeName = string(n) }

// Named names an operator in descriptions, metrics and errors.
func Named(name string) interface {
	Option
	StoreOption
	GroupOption
	JoinOption
	RepartitionOption
} {
	return named(name)
}

type keepsPartition struct{}

func (keepsPartition) operator(o *operator) { o.keepsPart = true }

// KeepsPartition promises that an operator which may change keys leaves each
// record in the partition where it is, so that no repartition topic is needed
// below. An example is a map from a windowed key back to the key.
//
// The test driver looks at every row that is stored, and a running application at
// one record in a thousand: a promise that does not hold ends it.
func KeepsPartition() Option { return keepsPartition{} }

// knownToKeep is KeepsPartition where no check is needed.
type knownToKeep struct{}

func (knownToKeep) operator(o *operator) { o.keepsKnown = true }

func operatorOf(opts []Option) (o operator) {
	for _, f := range opts {
		f.operator(&o)
	}
	return o
}
