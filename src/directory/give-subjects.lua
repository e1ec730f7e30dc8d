-- Gives people the word by which the audit trail names them, where an earlier release has left them without. KEYS[1] prefix. ARGV: id, word, id, word ...
for i = 1, #ARGV, 2 do
  local key = KEYS[1] .. 'user:' .. ARGV[i]
  if redis.call('EXISTS', key) == 1 then redis.call('HSETNX', key, 'subject', ARGV[i + 1]) end
end
return 1
