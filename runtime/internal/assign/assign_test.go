package assign

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func all(subs, partitions int32) []Task {
	var ts []Task
	for s := range subs {
		for p := range partitions {
			ts = append(ts, Task{s, p})
		}
	}
	return ts
}

func none(Task) bool { return false }

// TestHandOver is the life of a cooperative rebalance: the newcomer gets
// nothing that runs, the owner sees what to give up, the rejoin hands it over.
func TestHandOver(t *testing.T) {
	tasks := all(1, 4)
	a := Member{ID: "a", Generation: 1, Owned: tasks}
	b := Member{ID: "b"}

	p := Decide(tasks, none, []Member{a, b})
	require.Len(t, p.Given["a"], 2)
	require.Empty(t, p.Given["b"])
	require.Equal(t, 2, p.Withheld)

	a.Owned, a.Generation = p.Given["a"], 2
	b.Generation = 2
	p = Decide(tasks, none, []Member{a, b})
	require.Len(t, p.Given["a"], 2)
	require.Len(t, p.Given["b"], 2)
	require.Zero(t, p.Withheld)
}

func TestNewerClaimWins(t *testing.T) {
	tasks := all(1, 1)
	p := Decide(tasks, none, []Member{
		{ID: "a", Generation: 3, Owned: tasks},
		{ID: "b", Generation: 7, Owned: tasks},
	})
	require.Empty(t, p.Given["a"])
	require.Equal(t, tasks, p.Given["b"])
}

func TestStateDraws(t *testing.T) {
	tasks := all(1, 4)
	p := Decide(tasks, func(Task) bool { return true }, []Member{
		{ID: "a"},
		{ID: "b", Local: []Local{{Task{0, 0}, 10}, {Task{0, 2}, 10}}},
	})
	require.Equal(t, []Task{{0, 0}, {0, 2}}, p.Given["b"])
}

func TestWorkersWeigh(t *testing.T) {
	p := Decide(all(1, 9), none, []Member{{ID: "a", Workers: 1}, {ID: "b", Workers: 2}})
	require.Len(t, p.Given["a"], 3)
	require.Len(t, p.Given["b"], 6)
}

// TestConverges runs groups through random joins and departures: at every
// generation nobody is given what another owns, and without further changes two
// generations settle everything, balanced.
func TestConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tasks := all(rapid.Int32Range(1, 3).Draw(t, "subs"), rapid.Int32Range(1, 8).Draw(t, "partitions"))
		var members []Member
		next, generation := 0, int32(0)
		settle := func() Plan {
			generation++
			owner := owners(members)
			p := Decide(tasks, func(t Task) bool { return t.Sub == 0 }, members)
			seen := map[Task]bool{}
			for i := range members {
				m := &members[i]
				for _, task := range p.Given[m.ID] {
					if o, ok := owner[task]; ok && o != m.ID {
						t.Fatalf("%v given to %s while %s owns it", task, m.ID, o)
					}
					if seen[task] {
						t.Fatalf("%v given twice", task)
					}
					seen[task] = true
				}
				m.Owned, m.Generation = p.Given[m.ID], generation
			}
			if len(seen)+p.Withheld != len(tasks) {
				t.Fatalf("%d given, %d withheld of %d", len(seen), p.Withheld, len(tasks))
			}
			return p
		}
		for range rapid.IntRange(1, 10).Draw(t, "steps") {
			if len(members) == 0 || rapid.Bool().Draw(t, "join") {
				members = append(members, Member{ID: fmt.Sprint("m", next), Workers: rapid.IntRange(1, 3).Draw(t, "workers")})
				next++
			} else {
				i := rapid.IntRange(0, len(members)-1).Draw(t, "leave")
				members = slices.Delete(members, i, i+1)
			}
			if len(members) > 0 {
				settle()
			}
		}
		if len(members) == 0 {
			return
		}
		settle()
		settle()
		if p := settle(); p.Withheld != 0 {
			t.Fatalf("not settled: %d withheld", p.Withheld)
		}
		for _, a := range members {
			for _, b := range members {
				if len(a.Owned)*b.Workers > (len(b.Owned)+1)*a.Workers {
					t.Fatalf("unbalanced: %d on %d workers, %d on %d", len(a.Owned), a.Workers, len(b.Owned), b.Workers)
				}
			}
		}
	})
}

// TestSticky: a member that leaves moves its own tasks only.
func TestSticky(t *testing.T) {
	tasks := all(2, 6)
	p := Decide(tasks, none, []Member{{ID: "a"}, {ID: "b"}, {ID: "c"}})
	q := Decide(tasks, none, []Member{
		{ID: "a", Generation: 1, Owned: p.Given["a"]},
		{ID: "b", Generation: 1, Owned: p.Given["b"]},
	})
	for _, id := range []string{"a", "b"} {
		for _, task := range p.Given[id] {
			require.Contains(t, q.Given[id], task)
		}
	}
}

func TestWireRoundTrip(t *testing.T) {
	s := Subscription{
		Process: "p1", Fingerprint: "f", Workers: 4, Generation: 9, Owned: all(2, 2),
		Local: []Local{{Task{1, 2}, 77}}, TxnIDs: []string{"x", "y"}, Known: []string{"z"},
	}
	got, err := ParseSubscription(s.AppendTo(nil))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(s, got))

	a := Assignment{Refused: "no", Tasks: all(1, 3), Known: []string{"x"}, Topics: []Topic{{"a-1", 3, [16]byte{1, 15: 2}}, {"a-2", 1, [16]byte{}}}}
	gotA, err := ParseAssignment(a.AppendTo(nil))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(a, gotA))
}

func FuzzUserData(f *testing.F) {
	f.Add(Subscription{Process: "p", Owned: all(1, 2), TxnIDs: []string{"t"}}.AppendTo(nil))
	f.Add(Assignment{Tasks: all(1, 2), Known: []string{"t"}}.AppendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := ParseSubscription(b); err == nil {
			again, err := ParseSubscription(s.AppendTo(nil))
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(s, again))
		}
		if a, err := ParseAssignment(b); err == nil {
			again, err := ParseAssignment(a.AppendTo(nil))
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(a, again))
		}
	})
}
