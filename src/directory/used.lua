-- Notes that a credential has opened the door. KEYS[1] prefix. ARGV: name of the hash of uses, id. Answers nothing of use.
--#include now
redis.call('HSET', KEYS[1] .. ARGV[1], ARGV[2], string.format('%.0f', now))
return 1
