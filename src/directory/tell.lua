-- Appends an audit entry that comes with no other change. KEYS[1] prefix. ARGV: user id ('' = the site), generation, audit JSON.
--#include now
--#include audit
appendAudit(KEYS[1], ARGV[1], ARGV[3], now, tonumber(ARGV[2]))
return 1
