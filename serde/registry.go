package serde

import (
	"fmt"
	"reflect"
)

// A Registry finds the serde of a type while a topology is built; it is never
// asked while records flow. The zero value knows the built-in serdes. It is not
// safe for concurrent use.
type Registry struct {
	byType map[reflect.Type]any // Serde[T] for each T
	json   bool
}

// Add makes s the serde of T. The last one added counts.
func (r *Registry) Add[T any](s Serde[T]) {
	if r.byType == nil {
		r.byType = map[reflect.Type]any{}
	}
	r.byType[reflect.TypeFor[T]()] = s
}

// DefaultJSON makes [JSON] the serde of every type without another.
func (r *Registry) DefaultJSON() { r.json = true }

// For returns the serde for T: the one added for it, the built-in one, or JSON
// if that was made the default. Otherwise it fails.
func (r *Registry) For[T any]() (Serde[T], error) {
	t := reflect.TypeFor[T]()
	if s, ok := r.byType[t]; ok {
		return s.(Serde[T]), nil
	}
	for _, s := range []any{String, Bytes, Int64, Float64, Bool, Int32, Int16, Float32, UUID, Time} {
		if s, ok := s.(Serde[T]); ok {
			return s, nil
		}
	}
	if r.json {
		return JSON[T](), nil
	}
	return nil, fmt.Errorf("serde: no serde for %s: register one with Builder.Use", t)
}
