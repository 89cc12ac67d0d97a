package random

import (
	"strconv"
	"strings"
)

// text is what the functions of programs see and give: everything is text, or
// null. Functions.java has the same ones.
type text = *string

func show(t text) string {
	if t == nil {
		return "null"
	}
	return *t
}

// boom is the name of functions that fail. Only programs that go on after
// failures have them.
const boom = "boom"

// longest is how long a text may grow; what is longer is cut out in the middle.
const longest = 120

func made(s string) text {
	if len(s) > longest {
		s = s[:longest/2] + "~" + s[len(s)-longest/2+1:]
	}
	return &s
}

func joined(l, r text) text { return made("[" + show(l) + "," + show(r) + "]") }

// fails is for the functions that fail for some values.
func fails(f, v text, digit string) text {
	if contains(v, digit) {
		panic("boom")
	}
	return f
}

func contains(t text, s string) bool { return t != nil && strings.Contains(*t, s) }

func lastOf(t text) string {
	if s := show(t); s != "" {
		return s[len(s)-1:]
	}
	return ""
}

var predicates = map[string]func(k, v text) bool{
	"even":  func(_, v text) bool { return v != nil && *v != "" && strings.Contains("02468", lastOf(v)) },
	"has1":  func(_, v text) bool { return contains(v, "1") },
	"has3":  func(_, v text) bool { return contains(v, "3") },
	"some":  func(_, v text) bool { return v != nil },
	"third": func(_, v text) bool { return len(show(v))%3 != 0 },
	"notA":  func(k, _ text) bool { return !strings.HasPrefix(show(k), "a") },
}

var mappers = map[string]func(k, v text) text{
	"bang":  func(_, v text) text { return made(show(v) + "!") },
	"keyed": func(k, v text) text { return made(show(v) + "@" + show(k)) },
	"null7": func(_, v text) text {
		if contains(v, "7") {
			return nil
		}
		return v
	},
	boom: func(_, v text) text { return fails(v, v, "8") },
	"tail": func(_, v text) text {
		s := show(v)
		return new(s[max(0, len(s)-2):])
	},
	"upper": func(_, v text) text {
		if v == nil {
			return nil
		}
		return new(strings.ToUpper(*v))
	},
}

var selectors = map[string]func(k, v text) text{
	"last": func(_, v text) text {
		if v == nil {
			return nil
		}
		return new(lastOf(v))
	},
	"group": func(_, v text) text { return new("g" + strconv.Itoa(len(show(v))%3)) },
	"null5": func(k, v text) text {
		if contains(v, "5") {
			return nil
		}
		return k
	},
	boom:   func(k, v text) text { return fails(k, v, "6") },
	"all":  func(_, _ text) text { return new("all") },
	"both": func(k, v text) text { return made(show(k) + lastOf(v)) },
	// foreign chooses one of the keys by the value's last digit; 9 chooses none.
	"foreign": func(_, v text) text {
		d := lastOf(v)
		if d == "" || d < "0" || d > "8" {
			return nil
		}
		return new(keys[int(d[0]-'0')%len(keys)])
	},
}

// spreaders make several records of one.
var spreaders = map[string]func(k, v text, emit func(k, v text)){
	"twice": func(k, v text, emit func(k, v text)) {
		emit(k, v)
		emit(made(show(k)+"2"), v)
	},
	"none7": func(k, v text, emit func(k, v text)) {
		if !contains(v, "7") {
			emit(k, made(show(v)+"."))
		}
	},
}

var reducers = map[string]func(a, v text) text{
	"plus":  func(a, v text) text { return made(show(a) + "+" + show(v)) },
	"minus": func(a, v text) text { return made(show(a) + "-" + show(v)) },
	"max": func(a, v text) text {
		if show(a) > show(v) {
			return a
		}
		return v
	},
	"last": func(_, v text) text { return v },
	boom:   func(a, v text) text { return fails(made(show(a)+"*"+show(v)), v, "4") },
	"plus7": func(a, v text) text {
		if contains(v, "7") {
			return nil
		}
		return made(show(a) + "+" + show(v))
	},
}

func merged(a, b text) text { return made("(" + show(a) + "&" + show(b) + ")") }
