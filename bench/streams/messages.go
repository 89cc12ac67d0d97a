package main

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/thalweg/thalweg/serde"
)

// The messages of the measured programs. A Kafka Streams program that does the
// same work reads and writes the same bytes, so the two can be compared.

type rawReading struct {
	Station  string  `json:"station"`
	TempF    float64 `json:"temp_f"`
	Humidity float64 `json:"humidity"`
	Pressure float64 `json:"pressure"`
	TS       int64   `json:"ts"`
}

type reading struct {
	Station  string  `json:"station"`
	TempC    float64 `json:"temp_c"`
	Humidity float64 `json:"humidity"`
	Pressure float64 `json:"pressure"`
	TS       int64   `json:"ts"`
}

type average struct {
	Station     string  `json:"station"`
	WindowStart int64   `json:"window_start"`
	WindowEnd   int64   `json:"window_end"`
	Count       int64   `json:"count"`
	SumCentiC   int64   `json:"sum_centi_c"`
	AvgC        float64 `json:"avg_c"`
}

type order struct {
	Order       string `json:"order"`
	AmountCents int64  `json:"amount_cents"`
	TS          int64  `json:"ts"`
}

type payment struct {
	Order     string `json:"order"`
	PaidCents int64  `json:"paid_cents"`
	TS        int64  `json:"ts"`
}

type paid struct {
	Order       string `json:"order"`
	AmountCents int64  `json:"amount_cents"`
	PaidCents   int64  `json:"paid_cents"`
	OrderTS     int64  `json:"order_ts"`
	PayTS       int64  `json:"pay_ts"`
	DelayMS     int64  `json:"delay_ms"`
}

type customer struct {
	Customer string `json:"customer"`
	Name     string `json:"name"`
	Region   string `json:"region"`
}

type tableOrder struct {
	Order       string `json:"order"`
	Customer    string `json:"customer"`
	AmountCents int64  `json:"amount_cents"`
}

type enriched struct {
	Order       string `json:"order"`
	Customer    string `json:"customer"`
	AmountCents int64  `json:"amount_cents"`
	Name        string `json:"name"`
	Region      string `json:"region"`
}

// sum is the weather program's aggregate: how many readings, and the sum of
// their temperatures in hundredths of a degree Celsius.
type sum struct{ Count, CentiC int64 }

var sums = serde.Of(
	func(dst []byte, v sum) ([]byte, error) {
		dst = binary.BigEndian.AppendUint64(dst, uint64(v.Count))
		return binary.BigEndian.AppendUint64(dst, uint64(v.CentiC)), nil
	},
	func(src []byte, v *sum) error {
		if len(src) != 16 {
			return fmt.Errorf("sum: %d bytes, want 16", len(src))
		}
		v.Count = int64(binary.BigEndian.Uint64(src))
		v.CentiC = int64(binary.BigEndian.Uint64(src[8:]))
		return nil
	})

func valid(_ string, r rawReading) bool {
	return r.TempF >= -100 && r.TempF <= 200 && r.Humidity >= 0 && r.Humidity <= 100 && r.Pressure >= 800 && r.Pressure <= 1200
}

// celsius converts in integers, so that every implementation gets the same
// hundredths.
func celsius(r rawReading) reading {
	centi := floorDiv((int64(math.Floor(r.TempF*100+0.5))-3200)*10+9, 18)
	return reading{r.Station, float64(centi) / 100, r.Humidity, r.Pressure, r.TS}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func round(x float64) int64 { return int64(math.Floor(x + 0.5)) }
