package shop

import (
	"time"
)

// step is one line of an order's timeline: something that happened, with its proof.
type step struct {
	At               time.Time
	Tone             string // class of its dot: own, good, quiet, bad
	Chinese, English string
	Facts            []fact
	EventID          string // of the webhook it is about; empty: none
	Body             string // of that webhook, indented
	Times            int    // how often that webhook came
}

type fact struct{ Chinese, English, Value string }

// span is a duration as people read it.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}
