# J02: loads what may have been planted; says how each ended.
export HOME=/work
bash -ic true 2> /dev/null
shell=$?
PYTHONPATH=/work:/tmp python3 -c pass 2> /dev/null
python=$?
node -e 'try { require("/work/node_modules/x"); } catch (e) { process.exit(e.code === "MODULE_NOT_FOUND" ? 0 : 99); }' 2> /dev/null
echo "{\"shell\":$shell,\"python\":$python,\"node\":$?,\"daemons\":$(cat /proc/[0-9]*/comm | grep -c '^sleep$')}"
