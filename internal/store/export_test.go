package store

// Waiting is how many changes no group has taken yet.
func (s *Store) Waiting() int {
	s.commits.mu.Lock()
	defer s.commits.mu.Unlock()
	return len(s.commits.waiting)
}

// Lanes is how many groups are under way at once.
func (s *Store) Lanes() int { return s.commits.lanes }
