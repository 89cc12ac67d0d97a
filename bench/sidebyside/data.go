package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// input makes the records of one program's topics: n of them, from a seed, with
// times from base on.
type input struct {
	in, out []string // topics
	records func(n int, base time.Time, yield func(*kgo.Record))
}

var inputs = map[string]input{
	"stateless": {[]string{"raw_weather_topic"}, []string{"processed_weather_topic"}, readings},
	"weather":   {[]string{"raw_weather_topic"}, []string{"processed_weather_topic", "weather_averages"}, readings},
	"wordcount": {[]string{"wc_lines"}, []string{"wc_counts"}, lines},
	"join":      {[]string{"orders", "payments"}, []string{"order_payments"}, orders},
	"fkjoin":    {[]string{"fk_orders", "fk_customers"}, []string{"fk_enriched"}, tables},
}

const step = 5 * time.Millisecond // between two records

func record(topic, key, value string, at time.Time) *kgo.Record {
	return &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value), Timestamp: at}
}

// readings are those of a thousand stations, of which three in a hundred are
// out of range or cut off.
func readings(n int, base time.Time, yield func(*kgo.Record)) {
	r := rand.New(rand.NewPCG(1, 1))
	for i := range n {
		at := base.Add(time.Duration(i) * step)
		station := fmt.Sprintf("st-%06d", r.IntN(1000))
		tempF, humidity := float64(r.IntN(1200))/10-10, float64(r.IntN(1000))/10
		bad := r.IntN(100)
		switch bad {
		case 0:
			tempF = 999.9
		case 1:
			humidity = -1
		}
		v := fmt.Sprintf(`{"station":%q,"temp_f":%g,"humidity":%g,"pressure":%g,"ts":%d}`,
			station, tempF, humidity, 950+float64(r.IntN(1000))/10, at.UnixMilli())
		if bad == 2 {
			v = v[:len(v)/2]
		}
		yield(record("raw_weather_topic", station, v, at))
	}
}

// lines have eight words each, of ten thousand, few of which are frequent.
func lines(n int, base time.Time, yield func(*kgo.Record)) {
	r := rand.New(rand.NewPCG(2, 2))
	for i := range n {
		var words [8]string
		for j := range words {
			u := r.Float64()
			words[j] = fmt.Sprintf("Word%d", int(10_000*u*u*u))
		}
		yield(record("wc_lines", fmt.Sprintf("l-%09d", i), strings.Join(words[:], " "), base.Add(time.Duration(i)*step)))
	}
}

// orders are half of the records, each with a payment, nine of ten of them in
// time.
func orders(n int, base time.Time, yield func(*kgo.Record)) {
	r := rand.New(rand.NewPCG(3, 3))
	var payments []*kgo.Record
	for i := range n / 2 {
		id, at, cents := fmt.Sprintf("o-%09d", i), base.Add(time.Duration(i)*step), r.IntN(100_000)
		yield(record("orders", id, fmt.Sprintf(`{"order":%q,"amount_cents":%d,"ts":%d}`, id, cents, at.UnixMilli()), at))
		delay := time.Duration(r.IntN(240_000)) * time.Millisecond
		if r.IntN(10) == 0 {
			delay = 6*time.Minute + time.Duration(r.IntN(180_000))*time.Millisecond
		}
		paid := at.Add(delay)
		payments = append(payments, record("payments", id, fmt.Sprintf(`{"order":%q,"paid_cents":%d,"ts":%d}`, id, cents, paid.UnixMilli()), paid))
	}
	slices.SortStableFunc(payments, func(a, b *kgo.Record) int { return a.Timestamp.Compare(b.Timestamp) })
	for _, p := range payments {
		yield(p)
	}
}

// tables are customers, orders that name them, and customers that change.
func tables(n int, base time.Time, yield func(*kgo.Record)) {
	r := rand.New(rand.NewPCG(4, 4))
	const customers = 10_000
	customer := func(i, version int, at time.Time) {
		id := fmt.Sprintf("c-%06d", i)
		yield(record("fk_customers", id, fmt.Sprintf(`{"customer":%q,"name":"Customer %d","region":"r%d-v%d"}`, id, i, i%7, version), at))
	}
	for i := range customers {
		customer(i, 0, base)
	}
	for i := range n {
		id := fmt.Sprintf("o-%09d", i)
		yield(record("fk_orders", id, fmt.Sprintf(`{"order":%q,"customer":"c-%06d","amount_cents":%d}`, id, r.IntN(customers+customers/20), r.IntN(100_000)),
			base.Add(time.Duration(1+i)*time.Millisecond)))
	}
	for i := range customers / 10 {
		customer(i, 1, base.Add(time.Duration(1+n+i)*time.Millisecond))
	}
}
