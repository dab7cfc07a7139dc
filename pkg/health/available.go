package health

// IgnoreFailures tells whether so few of a service's servers are up that the
// failures are not believed, because then it is more likely the check that is
// broken: fewer than minAvailable percent of all. With 0 failures always count.
func IgnoreFailures(minAvailable, up, all int) bool {
	return up*100 < minAvailable*all
}
