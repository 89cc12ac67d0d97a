package golden

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// readStores reads all stores through their caches. Their types differ from
// topology to topology, but all of them have a scan All, so it is called by
// reflection.
func readStores(c Case, t *topology.Topology, d *testdriver.Driver) (map[string]Store, error) {
	specs := map[string]topology.Store{}
	for _, s := range t.Stores {
		specs[s.Name] = s
	}
	stores := map[string]Store{}
	for name, s := range d.Stores(0) {
		var x Store
		var err error
		if waiting, ok := s.(*state.KV[[]byte, []byte]); ok && strings.HasSuffix(name, "-shared-join-store") {
			x.Size, err = countLists(waiting)
		} else if want, ok := c.Stores[name]; ok && want.Type == "versioned" {
			x, err = readVersions(s, want.Entries)
		} else {
			x, err = readStore(s)
		}
		if h, ok := specs[name].Handle.(state.Declared); ok {
			x.Cached, x.Retention = h.Spec().Cached, h.Spec().Retention
		}
		if err != nil {
			return nil, fmt.Errorf("golden: store %q: %w", name, err)
		}
		stores[name] = x
	}
	return stores, nil
}

// countLists counts the records that wait in a join of streams. Those of one
// time, side and key are a list: a byte and the length come first.
func countLists(s *state.KV[[]byte, []byte]) (n int, err error) {
	for e, err := range s.All() {
		if err != nil {
			return 0, err
		}
		n += int(binary.BigEndian.Uint32(e.Value[1:]))
	}
	return n, nil
}

func readStore(s state.Store) (Store, error) {
	var out Store
	all := reflect.ValueOf(s).MethodByName("All")
	if !all.IsValid() {
		if n, ok := s.(interface{ Len() (int, error) }); ok {
			var err error
			out.Size, err = n.Len()
			return out, err
		}
		return out, fmt.Errorf("%T has neither All nor Len", s)
	}
	for entry, failure := range all.Call(nil)[0].Seq2() {
		if err, _ := failure.Interface().(error); err != nil {
			return out, err
		}
		e := Entry{Key: datum(entry.FieldByName("Key")), Value: datum(entry.FieldByName("Value"))}
		e.Start, e.End = number(entry, "Start"), number(entry, "End")
		if ts := number(entry, "Timestamp"); ts != nil && *ts >= 0 {
			e.TS = ts
		}
		out.Entries = append(out.Entries, e)
	}
	out.Size = len(out.Entries)
	slices.SortStableFunc(out.Entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(keyText(a.Key), keyText(b.Key)), compareTimes(a.Start, b.Start), compareTimes(a.End, b.End))
	})
	return out, nil
}

func number(v reflect.Value, field string) *int64 {
	if f := v.FieldByName(field); f.IsValid() {
		return new(f.Int())
	}
	return nil
}

func keyText(d Datum) string {
	if s, ok := d.V.(string); ok {
		return s
	}
	return d.String()
}

func compareTimes(a, b *int64) int {
	if a == nil || b == nil {
		return 0
	}
	return cmp.Compare(*a, *b)
}

func datum(v reflect.Value) Datum {
	switch x := v.Interface().(type) {
	case text:
		if x == nil {
			return Datum{}
		}
		return Datum{*x}
	case long:
		if x == nil {
			return Datum{}
		}
		return Datum{*x}
	case string:
		return Datum{x}
	case int64:
		return Datum{x}
	case windowed:
		return Datum{WindowKey{show(x.Key), x.Start, x.End}}
	case windowing.Windowed[string]:
		return Datum{WindowKey{x.Key, x.Start, x.End}}
	default:
		return Datum{fmt.Sprintf("%v", x)}
	}
}

// readVersions reads a versioned store at the keys and times of the wanted
// entries.
func readVersions(s state.Store, want []Entry) (Store, error) {
	switch s := s.(type) {
	case *state.VersionedStore[text, text]:
		return versionsOf(s, want, func(key string) text { return &key })
	case *state.VersionedStore[string, string]:
		return versionsOf(s, want, func(key string) string { return key })
	}
	return Store{}, fmt.Errorf("a %T is not a versioned store of texts", s)
}

func versionsOf[T any](s *state.VersionedStore[T, T], want []Entry, of func(key string) T) (Store, error) {
	var out Store
	for _, w := range want {
		key, _ := w.Key.V.(string)
		e := Entry{Key: w.Key, AsOf: w.AsOf}
		var v T
		var at int64
		var found bool
		var err error
		if string(w.AsOf) == `"latest"` {
			v, at, found, err = s.Get(of(key))
		} else {
			var asOf int64
			if asOf, err = strconv.ParseInt(string(w.AsOf), 10, 64); err == nil {
				v, at, found, err = s.GetAsOf(of(key), asOf)
			}
		}
		if err != nil {
			return out, err
		}
		if found {
			e.Value, e.TS = datum(reflect.ValueOf(v)), &at
		}
		out.Entries = append(out.Entries, e)
	}
	return out, nil
}
