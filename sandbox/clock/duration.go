package clock

import (
	"encoding/json"
	"fmt"
	"time"
)

// Duration is a [time.Duration] that JSON writes as text: "1h30m", "15s", "0s".
type Duration time.Duration

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes d as [time.Duration] does.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes d as a JSON string.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads a JSON string such as "90s"; a bare number is refused, because its unit would be a guess.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf(`a duration is text such as "15s" or "2h30m", not %s`, data)
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf(`%q is not a duration; write it as "15s" or "2h30m"`, text)
	}
	*d = Duration(parsed)
	return nil
}
