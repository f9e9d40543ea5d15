package wechatpaysim

// Routes returns the method and path of every operation.
func Routes() []string {
	var routes []string
	for _, op := range operations() {
		routes = append(routes, op.route)
	}
	return routes
}
