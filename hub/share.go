package hub

// leastShare is what a token or address may always take from a node, if the limit
// is not lower: a load balancer does not deal one customer's tabs out evenly.
const leastShare = 5

// share is a node's part of a limit for all nodes.
func share(limit, nodes int) int {
	if limit < 0 {
		return limit
	}
	return max((limit+nodes-1)/nodes, min(limit, leastShare))
}

// Share says how many nodes clients come to, this one among them. Each holds a
// token or an address to its part of the limit, rounded up, and to 5 at least.
// Clients that are there already stay.
func (h *Hub) Share(nodes int) {
	h.seats.mu.Lock()
	defer h.seats.mu.Unlock()
	h.seats.nodes = max(nodes, 1)
}
