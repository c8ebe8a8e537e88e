dnf -q list --available 'mariadb1*' 2>/dev/null | sed -n 's/^\(mariadb\([0-9][0-9]\)\([0-9]*\)\)\..*/\2 \3 \1/p' |
        sort -k 1,1n -k 2,2n | tail -n 1 | cut -d ' ' -f 3