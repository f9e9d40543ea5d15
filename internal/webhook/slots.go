package webhook

import "sync"

// slots bounds the tries per endpoint in this process, so that one slow endpoint cannot hold every worker.
type slots struct {
	perEndpoint int
	mu          sync.Mutex
	taken       map[string]int
}

func newSlots(perEndpoint int) *slots {
	return &slots{perEndpoint: perEndpoint, taken: make(map[string]int)}
}

// take is false where all slots of the endpoint are taken; otherwise the caller gives its slot back.
func (s *slots) take(endpointID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[endpointID] >= s.perEndpoint {
		return false
	}
	s.taken[endpointID]++
	return true
}

func (s *slots) giveBack(endpointID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken[endpointID]--
	if s.taken[endpointID] == 0 {
		delete(s.taken, endpointID)
	}
}
