package ratelimit

// Remembered is how much a limiter has in memory.
func (l *Limiter) Remembered() (addresses, keys int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.addresses), len(l.keys)
}
